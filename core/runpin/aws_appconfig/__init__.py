"""AWS AppConfig as a mirror: it is sent what the store holds, through the vendor's client, and never decides."""
