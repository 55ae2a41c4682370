"""What every route stands on: the application, the call and its transaction, middleware, problems, schemas."""
