"""What PLOG knows: rules, states and names, in pure Python without any input or output."""
