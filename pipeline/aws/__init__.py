"""AWS IoT as this tool meets it: the calls, their quotas, and what their failures mean."""
