"""thingmill: put thousands of devices on AWS IoT Core, each with exactly one certificate.

The command line is the product; ``docs/`` and ``README.md`` describe it. Read ``pipeline.issuance`` first:
it holds the eight steps that every device goes through.
"""

__version__ = "0.1.0"
