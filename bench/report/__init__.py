"""Tables and files for people: these modules read records and scores and compute nothing."""
