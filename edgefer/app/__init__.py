"""A bundle as an app: a folder that is a web page, and a server for it."""
