"""Apache Airflow: DAG files, and the client that runs them."""
