"""Passes that choose how data lies in memory."""
