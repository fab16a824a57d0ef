"""Passes about numbers of few bits: quantizing, and computing with what is quantized."""
