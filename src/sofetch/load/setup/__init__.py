"""What the database must hold and allow before anything is loaded: said as DDL, applied, and checked."""
