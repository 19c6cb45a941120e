"""Measurements of thingmill against what anybody would write instead, all sides in the same run."""
