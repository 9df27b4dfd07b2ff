"""The papers' tables beside what edgefer counts and measures: evidence for each printed figure, and pages of it."""
