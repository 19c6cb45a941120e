"""The embedded AWS IoT: ministack as a child process, for a run, a test or a look around.

Importing this costs next to nothing: ministack and its web server are imported in the child alone.

::

    async with embedded(Path("output/.local")) as aws:
        ...  # aws.endpoint_url, aws.environment, aws.mqtt_port, aws.ca_pem
"""

from __future__ import annotations

from pipeline.local.server import Embedded, embedded, serve_foreground

__all__ = ["Embedded", "embedded", "serve_foreground"]
