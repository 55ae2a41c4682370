"""What a customer owes for what one payee delivered."""
