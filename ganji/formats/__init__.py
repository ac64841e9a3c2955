"""Readers of foreign checkpoint formats: bytes in, plain tensors and a GeneratorConfig out. No code a file carries runs."""
