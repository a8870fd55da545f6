"""The Config tab: an API behind Airflow's own authorisation, and the files that a browser loads."""
