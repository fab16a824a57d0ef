"""Passes that find out about a program without rewriting its ops."""
