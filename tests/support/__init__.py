"""What tests share: two local chains behind one interface, and the compiled contracts."""
