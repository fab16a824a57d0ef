"""Calls of a plan that machine code computes: `forms` says which, a module a family of calls says how."""
