"""Tables of what people type, and what each text is read as."""
