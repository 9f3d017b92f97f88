"""Where facts about the outside come from: databases that are asked in SQL, calendars that others keep."""
