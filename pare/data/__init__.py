"""What a task is, and how its data is read, checked, prepared and stored."""
