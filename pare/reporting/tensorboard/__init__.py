"""TensorBoard: the runs that a sweep writes, their pictures, and the command that shows them."""
