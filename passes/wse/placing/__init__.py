"""From optimised pfrt to a mapped network: what is read of a function, layouts by cost, the bound."""
