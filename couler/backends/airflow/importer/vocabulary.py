"""Words of Airflow: arguments of its operators and DAGs, rules, and what it hands to tasks."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STRING_METHODS = _words(
    """
    format join lower upper strip lstrip rstrip replace split startswith endswith title capitalize splitlines
    removeprefix removesuffix isdigit
    """
)
"""Methods of texts that are worked out."""

TOLERANT = _words(
    """
    all_done all_done_setup_success all_failed one_failed one_success one_done always dummy none_skipped
    all_skipped all_done_min_one_success
    """
)
"""Trigger rules by which a task may run after a failure."""

READ = _words(
    """
    retries retry_delay retry_exponential_backoff max_retry_delay execution_timeout trigger_rule doc doc_md
    doc_rst max_active_tis_per_dagrun params role
    """
)
"""Arguments of all operators that are read."""

WITHOUT_MEANING = _words(
    """
    owner start_date do_xcom_push multiple_outputs task_display_name map_index_template email_on_failure
    email_on_retry ui_color ui_fgcolor show_return_value_in_logs dag default_args doc_json doc_yaml
    logger_name allow_nested_operators render_template_as_native_obj provide_context on_failure_fail_dagrun
    task_group
    """
)
"""Arguments of operators that say nothing about the workflow."""

CARRIED = _words(
    """
    pool pool_slots priority_weight weight_rule queue executor executor_config run_as_user
    max_active_tis_per_dag resources
    """
)
"""Arguments of operators that are kept as options."""

DAG_READ = _words(
    """
    schedule fail_fast fail_stop schedule_interval timetable default_args params description doc_md tags dagrun_timeout
    max_active_tasks concurrency max_active_runs is_paused_upon_creation
    """
)
"""Arguments of a DAG that are read."""

DAG_WITHOUT_MEANING = _words(
    """
    start_date catchup dag_display_name default_view orientation owner_links render_template_as_native_obj
    template_searchpath doc_rst auto_register access_control rerun_with_latest_version
    """
)
"""Arguments of a DAG that say nothing about the workflow."""

CONTEXT = _words(
    """
    conf conn context dag dag_run data_interval_end data_interval_start ds ds_nodash execution_date exception
    inlet_events inlets logical_date macros map_index_template next_ds next_execution_date outlet_events
    outlets params prev_ds prev_execution_date prev_data_interval_end_success prev_data_interval_start_success
    prev_start_date_success prev_end_date_success run_id task task_instance task_instance_key_str
    task_reschedule_count templates_dict test_mode ti tomorrow_ds triggering_asset_events
    triggering_dataset_events ts ts_nodash ts_nodash_with_tz var yesterday_ds start_date task_state_store
    asset_state_store
    """
)
"""Names that Airflow hands to templates and functions."""

POD = _words(
    """
    image cmds arguments env_vars secrets container_resources volumes volume_mounts node_selector tolerations
    service_account_name image_pull_policy do_xcom_push name namespace in_cluster get_logs
    is_delete_operator_pod on_finish_action cluster_context config_file kubernetes_conn_id
    startup_timeout_seconds log_events_on_failure random_name_suffix
    """
)
"""Arguments of KubernetesPodOperator that are read, or that say nothing about the workflow."""

DOCKER = _words(
    """
    image command entrypoint environment private_environment docker_url auto_remove api_version
    docker_conn_id mount_tmp_dir xcom_all container_name mem_limit cpus force_pull working_dir retrieve_output
    """
)
"""The same of DockerOperator."""

FUNCTIONS = _words(
    """
    python_callable op_args op_kwargs multiple_outputs requirements image
    system_site_packages expect_airflow venv_cache_path serializer use_dill templates_exts role
    ignore_downstream_trigger_rules show_return_value_in_logs expect_pendulum
    skip_on_exit_code fail_on_reject
    """
)
"""The same of operators that run a function."""

BASH = _words(
    """
    bash_command env append_env cwd skip_on_exit_code output_encoding
    """
)
"""The same of BashOperator."""

PYTHON = _words(
    """
    PythonOperator BranchPythonOperator ShortCircuitOperator PythonVirtualenvOperator ExternalPythonOperator
    BranchPythonVirtualenvOperator BranchExternalPythonOperator task task.python task.branch
    task.short_circuit task.virtualenv task.external_python task.branch_virtualenv task.branch_external_python
    task.docker task.kubernetes task.bash
    """
)
"""Operators and decorators that run a function."""

COMMON = _words(
    """
    depends_on_past wait_for_downstream on_execute_callback on_failure_callback on_success_callback on_retry_callback
    on_skipped_callback sla email inlets outlets retry_policy pre_execute post_execute end_date
    """
)
"""Arguments of all operators that couler has nothing like."""
