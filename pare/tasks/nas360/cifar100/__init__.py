"""CIFAR-100: photographs of 100 classes."""
