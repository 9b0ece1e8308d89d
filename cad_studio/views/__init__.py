"""What the studio tells its pages and programs: the names and kinds of what is in an answer.

Services return these as plain dictionaries. The page of the HTTP API (`/docs` below the prefix)
and the types that the window's scripts are checked against are made of them.
"""
