"""What the core costs on hardware: synthesis of every block, its table and its baseline."""
