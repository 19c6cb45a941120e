"""One manifest on several stations: its parts, two stations over one thing, and the reports of them all."""
