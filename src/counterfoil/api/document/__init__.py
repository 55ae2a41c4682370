"""The API described by itself: the OpenAPI document, its examples, and what each type of problem means."""
