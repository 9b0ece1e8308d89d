"""Words of the domain. Standard library and numpy only."""
