"""The pages: rendered here, from the same use cases as the API, with every file that they load."""
