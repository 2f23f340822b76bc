"""What is read without being changed, one module for each noun."""
