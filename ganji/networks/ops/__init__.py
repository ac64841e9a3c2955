"""Small tensor operations of the synthesis networks, in pure PyTorch."""
