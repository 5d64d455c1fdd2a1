"""Formats that images come in: array files, IDX, CIFAR, folders, downloads."""
