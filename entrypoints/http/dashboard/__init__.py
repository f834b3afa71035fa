"""The pages of the dashboard, rendered on the server from the API's use cases, with all files they load."""
