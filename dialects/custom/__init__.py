"""Operators that programs and plugins define: what they are, and their ops in IR.

One dialect a domain, with a class an operator. `pyflame_rt.custom` is the API to define them.
"""
