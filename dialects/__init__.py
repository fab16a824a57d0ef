"""The dialects: `pfrt` (graphs), `plan` (execution plans), `check` (numeric tests as IR)."""
