"""Python imports this as it starts: a worker that has this folder on its path has the made format in its table."""

from tests.pipeline.made_format import register

register()
