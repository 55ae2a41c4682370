"""What does not agree, as lasting things that people work on."""
