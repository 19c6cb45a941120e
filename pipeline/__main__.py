"""``python -m pipeline`` is ``thingmill``."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
