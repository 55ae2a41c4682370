"""What a part below tells the parts above."""
