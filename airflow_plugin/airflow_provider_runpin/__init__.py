"""Runpin for Apache Airflow."""
