"""Routes of the sentinel: its checks, its runs on demand, and the post-mortems of incidents."""
