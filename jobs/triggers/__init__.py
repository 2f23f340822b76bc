"""When a task is due: triggers, cron expressions, time zones. Pure: nothing here reads a clock or does I/O."""
