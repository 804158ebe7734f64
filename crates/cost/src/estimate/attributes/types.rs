//! Every type with a rule, and what each of its attributes means for its price.

use super::{Type, Unpriced, costs, unless};

const OUTPOST: &str = "what it is on an Outpost has no price here";
const TRACES: &str = "its traces in X-Ray have no price here";

/// What `aws_lb` and `aws_alb` share.
const BALANCER_FREE: &str = "access_logs arn_suffix client_keep_alive connection_logs desync_mitigation_mode dns_name dns_record_client_routing_policy drop_invalid_header_fields enable_cross_zone_load_balancing enable_deletion_protection enable_http2 enable_prefix_for_ipv6_source_nat enable_tls_version_and_cipher_suite_headers enable_waf_fail_open enable_xff_client_port enable_zonal_shift enforce_security_group_inbound_rules_on_private_link_traffic health_check_logs idle_timeout name name_prefix preserve_host_header secondary_ips_auto_assigned_per_subnet security_groups vpc_id xff_header_processing_mode zone_id";
const BALANCER_PRICED: &str = "internal ip_address_type load_balancer_type subnet_mapping subnets";
const BALANCER_UNPRICED: &[Unpriced] = &[
    costs("customer_owned_ipv4_pool", OUTPOST),
    costs(
        "ipam_pools",
        "addresses of a pool of IPAM have no price here",
    ),
    costs(
        "minimum_load_balancer_capacity.capacity_units",
        "capacity that is reserved has no price here",
    ),
];

/// In order of type.
pub(super) static TYPES: &[Type] = &[
    Type {
        kind: "aws_acm_certificate",
        priced: "",
        free: "certificate_body certificate_chain domain_name early_renewal_duration key_algorithm not_after not_before pending_renewal private_key private_key_wo private_key_wo_version renewal_eligibility status subject_alternative_names type validation_emails validation_method validation_option",
        unpriced: &[
            costs(
                "certificate_authority_arn",
                "a certificate of a private authority has no price here",
            ),
            unless(
                "options.export",
                &["DISABLED"],
                "a certificate that can be exported has no price here",
            ),
        ],
    },
    Type {
        kind: "aws_acmpca_certificate_authority",
        priced: "usage_mode",
        // Lists of revoked certificates cost where they are kept; answers to questions of OCSP nothing.
        free: "certificate certificate_authority_configuration certificate_chain certificate_signing_request enabled key_storage_security_standard not_after not_before permanent_deletion_time_in_days revocation_configuration serial type",
        unpriced: &[],
    },
    Type {
        kind: "aws_alb",
        priced: BALANCER_PRICED,
        free: BALANCER_FREE,
        unpriced: BALANCER_UNPRICED,
    },
    Type {
        kind: "aws_appautoscaling_policy",
        priced: "policy_type",
        free: "alarm_arns name resource_id scalable_dimension service_namespace step_scaling_policy_configuration target_tracking_scaling_policy_configuration",
        unpriced: &[costs(
            "predictive_scaling_policy_configuration",
            "the metrics that its predictions ask for have no price here",
        )],
    },
    Type {
        kind: "aws_appautoscaling_target",
        priced: "max_capacity",
        free: "min_capacity resource_id role_arn scalable_dimension service_namespace suspended_state",
        unpriced: &[],
    },
    Type {
        kind: "aws_backup_vault",
        priced: "",
        free: "force_destroy kms_key_arn name recovery_points",
        unpriced: &[],
    },
    Type {
        kind: "aws_cloudfront_distribution",
        priced: "",
        free: "aliases cache_tag_config caller_reference comment continuous_deployment_policy_id custom_error_response default_root_object domain_name enabled etag hosted_zone_id http_version in_progress_validation_batches is_ipv6_enabled last_modified_time logging_config logging_v1_enabled origin_group price_class restrictions retain_on_delete staging status wait_for_deployment web_acl_id",
        unpriced: &[
            costs(
                "anycast_ip_list_id",
                "its static addresses have no price here",
            ),
            costs(
                "connection_function_association",
                "its functions have no price here",
            ),
            costs(
                "default_cache_behavior.field_level_encryption_id",
                "field-level encryption has no price here",
            ),
            costs(
                "default_cache_behavior.function_association",
                "its functions have no price here",
            ),
            costs(
                "default_cache_behavior.lambda_function_association",
                "its functions have no price here",
            ),
            costs(
                "default_cache_behavior.realtime_log_config_arn",
                "logs in real time have no price here",
            ),
            costs(
                "ordered_cache_behavior.field_level_encryption_id",
                "field-level encryption has no price here",
            ),
            costs(
                "ordered_cache_behavior.function_association",
                "its functions have no price here",
            ),
            costs(
                "ordered_cache_behavior.lambda_function_association",
                "its functions have no price here",
            ),
            costs(
                "ordered_cache_behavior.realtime_log_config_arn",
                "logs in real time have no price here",
            ),
            costs(
                "origin.origin_shield.enabled",
                "requests to its Origin Shield have no price here",
            ),
            unless(
                "viewer_certificate.ssl_support_method",
                &["sni-only"],
                "TLS with addresses of its own ({}) has no price here",
            ),
            costs(
                "viewer_mtls_config",
                "certificates of viewers have no price here",
            ),
        ],
    },
    Type {
        kind: "aws_cloudtrail",
        priced: "advanced_event_selector event_selector insight_selector",
        free: "cloud_watch_logs_group_arn cloud_watch_logs_role_arn enable_log_file_validation enable_logging home_region include_global_service_events is_multi_region_trail is_organization_trail kms_key_id name s3_bucket_name s3_key_prefix sns_topic_arn sns_topic_name",
        unpriced: &[],
    },
    Type {
        kind: "aws_cloudwatch_composite_alarm",
        priced: "",
        free: "actions_enabled actions_suppressor alarm_actions alarm_description alarm_name alarm_rule insufficient_data_actions ok_actions",
        unpriced: &[],
    },
    Type {
        kind: "aws_cloudwatch_dashboard",
        priced: "",
        free: "dashboard_arn dashboard_body dashboard_name",
        unpriced: &[],
    },
    Type {
        kind: "aws_cloudwatch_event_bus",
        priced: "",
        free: "dead_letter_config description event_source_name kms_key_identifier log_config name",
        unpriced: &[],
    },
    Type {
        kind: "aws_cloudwatch_log_group",
        priced: "log_group_class name",
        free: "deletion_protection_enabled kms_key_id name_prefix retention_in_days skip_destroy",
        unpriced: &[],
    },
    Type {
        kind: "aws_cloudwatch_metric_alarm",
        priced: "metric_query period threshold_metric_id",
        free: "actions_enabled alarm_actions alarm_description alarm_name comparison_operator datapoints_to_alarm dimensions evaluate_low_sample_count_percentiles evaluation_interval evaluation_periods extended_statistic insufficient_data_actions metric_name namespace ok_actions statistic threshold treat_missing_data unit warm_up_configuration",
        unpriced: &[costs(
            "evaluation_criteria",
            "an alarm on a query has no price here",
        )],
    },
    Type {
        kind: "aws_config_config_rule",
        priced: "",
        free: "description evaluation_mode input_parameters maximum_execution_frequency name rule_id scope source",
        unpriced: &[],
    },
    Type {
        kind: "aws_config_configuration_recorder",
        priced: "",
        free: "name recording_group role_arn",
        unpriced: &[
            unless(
                "recording_mode.recording_frequency",
                &["CONTINUOUS"],
                "items that are recorded once a day have no price here",
            ),
            unless(
                "recording_mode.recording_mode_override.recording_frequency",
                &["CONTINUOUS"],
                "items that are recorded once a day have no price here",
            ),
        ],
    },
    Type {
        kind: "aws_db_instance",
        priced: "allocated_storage engine engine_lifecycle_support engine_version identifier instance_class iops manage_master_user_password monitoring_interval multi_az performance_insights_enabled performance_insights_retention_period publicly_accessible replicate_source_db storage_throughput storage_type",
        // Storage that may grow is priced as it is now.
        free: "address allow_major_version_upgrade apply_immediately auto_minor_version_upgrade availability_zone backup_retention_period backup_window ca_cert_identifier character_set_name copy_tags_to_snapshot custom_iam_instance_profile db_name db_subnet_group_name delete_automated_backups deletion_protection domain domain_auth_secret_arn domain_dns_ips domain_fqdn domain_iam_role_name domain_ou enabled_cloudwatch_logs_exports endpoint engine_version_actual final_snapshot_identifier hosted_zone_id iam_database_authentication_enabled identifier_prefix kms_key_id latest_restorable_time maintenance_window master_user_secret_kms_key_id max_allocated_storage monitoring_role_arn nchar_character_set_name network_type option_group_name parameter_group_name password password_wo password_wo_version performance_insights_kms_key_id port replica_mode replicas resource_id restore_to_point_in_time s3_import skip_final_snapshot snapshot_identifier status storage_encrypted timezone upgrade_rollout_order upgrade_storage_config username vpc_security_group_ids warning_event_categories",
        unpriced: &[
            unless("backup_target", &["region"], OUTPOST),
            costs(
                "blue_green_update.enabled",
                "the second instance of a blue/green update has no price here",
            ),
            costs("customer_owned_ip_enabled", OUTPOST),
            unless(
                "database_insights_mode",
                &["standard"],
                "Database Insights in mode {} have no price here",
            ),
            costs(
                "dedicated_log_volume",
                "its volume for logs has no price here",
            ),
            unless(
                "license_model",
                &["general-public-license", "postgresql-license"],
                "the licence model {} has no price here",
            ),
        ],
    },
    Type {
        kind: "aws_db_instance_automated_backups_replication",
        priced: "source_db_instance_arn",
        free: "kms_key_id pre_signed_url retention_period",
        unpriced: &[],
    },
    Type {
        kind: "aws_db_proxy",
        priced: "",
        free: "auth debug_logging default_auth_scheme endpoint endpoint_network_type engine_family idle_client_timeout name require_tls role_arn target_connection_network_type vpc_security_group_ids vpc_subnet_ids",
        unpriced: &[],
    },
    Type {
        kind: "aws_dynamodb_table",
        priced: "billing_mode global_secondary_index point_in_time_recovery read_capacity replica table_class write_capacity",
        free: "attribute deletion_protection_enabled hash_key local_secondary_index name on_demand_throughput range_key server_side_encryption stream_arn stream_enabled stream_label stream_view_type ttl",
        unpriced: &[
            costs("global_table_witness", "a witness has no price here"),
            costs("import_table", "what is imported has no price here"),
            costs("restore_backup_arn", "what is restored has no price here"),
            costs("restore_date_time", "what is restored has no price here"),
            costs("restore_source_name", "what is restored has no price here"),
            costs(
                "restore_source_table_arn",
                "what is restored has no price here",
            ),
            costs(
                "restore_to_latest_time",
                "what is restored has no price here",
            ),
            unless(
                "warm_throughput.read_units_per_second",
                &["12000"],
                "warm throughput has no price here",
            ),
            unless(
                "warm_throughput.write_units_per_second",
                &["4000"],
                "warm throughput has no price here",
            ),
        ],
    },
    Type {
        kind: "aws_ebs_volume",
        priced: "iops size throughput type",
        free: "availability_zone create_time encrypted final_snapshot kms_key_id multi_attach_enabled snapshot_id",
        unpriced: &[
            costs("outpost_arn", OUTPOST),
            costs(
                "volume_initialization_rate",
                "filling it from its snapshot at a set rate has no price here",
            ),
        ],
    },
    Type {
        kind: "aws_ecr_repository",
        priced: "",
        free: "encryption_configuration force_delete image_scanning_configuration image_tag_mutability image_tag_mutability_exclusion_filter name registry_id repository_url",
        unpriced: &[],
    },
    Type {
        kind: "aws_ecs_cluster",
        priced: "setting",
        free: "configuration name service_connect_defaults",
        unpriced: &[],
    },
    Type {
        kind: "aws_ecs_service",
        priced: "desired_count launch_type",
        free: "alarms availability_zone_rebalancing cluster deployment_circuit_breaker deployment_configuration deployment_controller deployment_maximum_percent deployment_minimum_healthy_percent enable_ecs_managed_tags enable_execute_command force_delete force_new_deployment health_check_grace_period_seconds iam_role load_balancer name ordered_placement_strategy placement_constraints platform_version propagate_tags scheduling_strategy service_connect_configuration service_registries sigint_rollback task_definition triggers wait_for_steady_state",
        unpriced: &[
            unless(
                "capacity_provider_strategy.capacity_provider",
                &["FARGATE"],
                "tasks of the capacity provider {} have no price here",
            ),
            costs(
                "network_configuration.assign_public_ip",
                "the public addresses of its tasks have no price here",
            ),
            costs(
                "volume_configuration",
                "the volumes of its tasks have no price here",
            ),
            costs(
                "vpc_lattice_configurations",
                "VPC Lattice has no price here",
            ),
        ],
    },
    Type {
        kind: "aws_ecs_task_definition",
        priced: "cpu memory runtime_platform",
        free: "arn_without_revision container_definitions enable_fault_injection execution_role_arn family ipc_mode network_mode pid_mode placement_constraints proxy_configuration requires_compatibilities revision skip_destroy task_role_arn track_latest volume",
        unpriced: &[unless(
            "ephemeral_storage.size_in_gib",
            &["20"],
            "{} GiB of storage for each task have no price here",
        )],
    },
    Type {
        kind: "aws_eip",
        priced: "",
        free: "address allocation_id associate_with_private_ip association_id carrier_ip customer_owned_ip domain instance network_border_group network_interface private_dns private_ip ptr_record public_dns public_ip",
        unpriced: &[
            costs("customer_owned_ipv4_pool", OUTPOST),
            costs(
                "ipam_pool_id",
                "addresses of a pool of IPAM have no price here",
            ),
            unless(
                "public_ipv4_pool",
                &["amazon"],
                "an address of the pool {} is billed otherwise",
            ),
        ],
    },
    Type {
        kind: "aws_elasticache_cluster",
        priced: "engine engine_version node_type num_cache_nodes snapshot_retention_limit",
        free: "apply_immediately auto_minor_version_upgrade availability_zone az_mode cluster_address cluster_id configuration_endpoint engine_version_actual final_snapshot_identifier ip_discovery log_delivery_configuration maintenance_window network_type notification_topic_arn parameter_group_name port preferred_availability_zones replication_group_id security_group_ids snapshot_arns snapshot_name snapshot_window subnet_group_name transit_encryption_enabled",
        unpriced: &[
            costs("outpost_mode", OUTPOST),
            costs("preferred_outpost_arn", OUTPOST),
        ],
    },
    Type {
        kind: "aws_elasticache_replication_group",
        priced: "engine engine_version node_type num_cache_clusters num_node_groups replicas_per_node_group snapshot_retention_limit",
        free: "apply_immediately at_rest_encryption_enabled auth_token auth_token_update_strategy auth_token_wo auth_token_wo_version auto_minor_version_upgrade automatic_failover_enabled cluster_enabled cluster_mode configuration_endpoint_address data_tiering_enabled description engine_version_actual final_snapshot_identifier ip_discovery kms_key_id log_delivery_configuration maintenance_window member_clusters multi_az_enabled network_type node_group_configuration notification_topic_arn parameter_group_name port preferred_cache_cluster_azs primary_endpoint_address reader_endpoint_address replication_group_id security_group_ids security_group_names snapshot_arns snapshot_name snapshot_window subnet_group_name transit_encryption_enabled transit_encryption_mode user_group_ids",
        unpriced: &[
            costs("durability", "durability {} has no price here"),
            costs(
                "global_replication_group_id",
                "traffic of a global datastore has no price here",
            ),
        ],
    },
    Type {
        kind: "aws_elasticache_serverless_cache",
        priced: "cache_usage_limits engine",
        free: "create_time daily_snapshot_time description full_engine_version kms_key_id major_engine_version name network_type security_group_ids snapshot_arns_to_restore status subnet_ids user_group_id",
        unpriced: &[costs(
            "snapshot_retention_limit",
            "snapshots of a serverless cache have no price here",
        )],
    },
    Type {
        kind: "aws_flow_log",
        priced: "log_destination_type",
        free: "deliver_cross_account_role eni_id iam_role_arn log_destination log_format max_aggregation_interval regional_nat_gateway_id subnet_id tag_field_specification traffic_type transit_gateway_attachment_id transit_gateway_id vpc_id",
        unpriced: &[unless(
            "destination_options.file_format",
            &["plain-text"],
            "the conversion to {} has no price here",
        )],
    },
    Type {
        kind: "aws_instance",
        priced: "associate_public_ip_address credit_specification ebs_block_device ebs_optimized instance_market_options instance_type monitoring root_block_device",
        // What runs on an image is said by the usage file.
        free: "ami availability_zone capacity_reservation_specification cpu_options disable_api_stop disable_api_termination enable_primary_ipv6 enclave_options ephemeral_block_device force_destroy get_password_data hibernation iam_instance_profile instance_initiated_shutdown_behavior instance_lifecycle instance_state ipv6_address_count ipv6_addresses key_name maintenance_options metadata_options network_interface password_data placement_group placement_group_id placement_partition_number primary_network_interface primary_network_interface_id private_dns private_dns_name_options private_ip public_dns public_ip secondary_network_interface secondary_private_ips security_groups source_dest_check spot_instance_request_id subnet_id user_data user_data_base64 user_data_replace_on_change volume_tags vpc_security_group_ids",
        unpriced: &[
            costs("host_id", "a host of its own has no price here"),
            costs(
                "host_resource_group_arn",
                "a host of its own has no price here",
            ),
            costs(
                "launch_template",
                "what its launch template adds has no price here",
            ),
            costs("outpost_arn", OUTPOST),
            unless("tenancy", &["default"], "the tenancy {} has no price here"),
        ],
    },
    Type {
        kind: "aws_kms_key",
        priced: "customer_master_key_spec enable_key_rotation",
        free: "bypass_policy_lockout_safety_check deletion_window_in_days description is_enabled key_id key_usage multi_region policy rotation_period_in_days",
        unpriced: &[
            costs(
                "custom_key_store_id",
                "the cluster of its key store has no price here",
            ),
            costs("xks_key_id", "its external key store has no price here"),
        ],
    },
    Type {
        kind: "aws_kms_replica_key",
        priced: "key_spec",
        free: "bypass_policy_lockout_safety_check deletion_window_in_days description enabled key_id key_rotation_enabled key_usage policy primary_key_arn",
        unpriced: &[],
    },
    Type {
        kind: "aws_lambda_function",
        priced: "architectures ephemeral_storage memory_size",
        free: "code_sha256 code_signing_config_arn dead_letter_config description environment file_system_config filename function_name handler image_config image_uri invoke_arn kms_key_arn last_modified layers logging_config package_type publish publish_to qualified_arn qualified_invoke_arn replace_security_groups_on_destroy replacement_security_group_ids reserved_concurrent_executions response_streaming_invoke_arn role runtime s3_bucket s3_key s3_object_version signing_job_arn signing_profile_version_arn skip_destroy source_code_hash source_code_size source_kms_key_arn timeout use_resource_timeout_for_propagation version vpc_config",
        unpriced: &[
            costs(
                "capacity_provider_config",
                "instances that it runs on have no price here",
            ),
            costs("durable_config", "durable executions have no price here"),
            unless(
                "snap_start.apply_on",
                &["None"],
                "snapshots for its start have no price here",
            ),
            costs("tenancy_config", "isolation of tenants has no price here"),
            unless("tracing_config.mode", &["PassThrough"], TRACES),
        ],
    },
    Type {
        kind: "aws_lb",
        priced: BALANCER_PRICED,
        free: BALANCER_FREE,
        unpriced: BALANCER_UNPRICED,
    },
    Type {
        kind: "aws_nat_gateway",
        priced: "",
        free: "allocation_id association_id auto_provision_zones auto_scaling_ips availability_zone_address connectivity_type network_interface_id private_ip public_ip regional_nat_gateway_auto_mode route_table_id secondary_allocation_ids secondary_private_ip_address_count secondary_private_ip_addresses subnet_id vpc_id",
        unpriced: &[unless(
            "availability_mode",
            &["zonal"],
            "a gateway of the whole region is billed in each of its zones",
        )],
    },
    Type {
        kind: "aws_rds_cluster",
        priced: "backup_retention_period engine engine_lifecycle_support engine_mode engine_version manage_master_user_password serverlessv2_scaling_configuration storage_type",
        free: "allocated_storage allow_major_version_upgrade apply_immediately auto_minor_version_upgrade availability_zones ca_certificate_identifier ca_certificate_valid_till cluster_identifier cluster_identifier_prefix cluster_members cluster_resource_id cluster_scalability_type copy_tags_to_snapshot database_name db_cluster_instance_class db_cluster_parameter_group_name db_instance_parameter_group_name db_subnet_group_name db_system_id delete_automated_backups deletion_protection domain domain_iam_role_name enable_global_write_forwarding enable_local_write_forwarding enabled_cloudwatch_logs_exports endpoint engine_version_actual final_snapshot_identifier hosted_zone_id iam_database_authentication_enabled iam_roles iops kms_key_id master_password master_password_wo master_password_wo_version master_user_secret_kms_key_id master_username monitoring_role_arn network_type performance_insights_enabled performance_insights_kms_key_id port preferred_backup_window preferred_maintenance_window reader_endpoint replication_source_identifier restore_to_point_in_time s3_import scaling_configuration skip_final_snapshot snapshot_identifier source_region storage_encrypted upgrade_rollout_order vpc_security_group_ids warning_event_categories",
        unpriced: &[
            costs(
                "backtrack_window",
                "changes that are kept to go back have no price here",
            ),
            unless(
                "database_insights_mode",
                &["standard"],
                "Database Insights in mode {} have no price here",
            ),
            costs(
                "enable_http_endpoint",
                "requests to the Data API have no price here",
            ),
            costs(
                "global_cluster_identifier",
                "what a global database replicates has no price here",
            ),
            costs(
                "monitoring_interval",
                "enhanced monitoring of a whole cluster has no price here",
            ),
            unless(
                "performance_insights_retention_period",
                &["7"],
                "{} days of Performance Insights have no price here",
            ),
        ],
    },
    Type {
        kind: "aws_rds_cluster_instance",
        priced: "engine instance_class monitoring_interval publicly_accessible",
        free: "apply_immediately auto_minor_version_upgrade availability_zone ca_cert_identifier cluster_identifier copy_tags_to_snapshot custom_iam_instance_profile db_parameter_group_name db_subnet_group_name dbi_resource_id endpoint engine_version engine_version_actual force_destroy identifier identifier_prefix kms_key_id monitoring_role_arn network_type performance_insights_enabled performance_insights_kms_key_id port preferred_backup_window preferred_maintenance_window promotion_tier storage_encrypted warning_event_categories writer",
        unpriced: &[unless(
            "performance_insights_retention_period",
            &["7"],
            "{} days of Performance Insights have no price here",
        )],
    },
    Type {
        kind: "aws_route53_health_check",
        priced: "measure_latency request_interval type",
        free: "child_health_threshold child_healthchecks cloudwatch_alarm_name cloudwatch_alarm_region disabled enable_sni failure_threshold fqdn insufficient_data_health_status invert_healthcheck ip_address port reference_name regions resource_path routing_control_arn search_string triggers",
        unpriced: &[],
    },
    Type {
        kind: "aws_route53_zone",
        priced: "",
        free: "comment delegation_set_id force_destroy name name_servers primary_name_server vpc zone_id",
        unpriced: &[costs(
            "enable_accelerated_recovery",
            "accelerated recovery has no price here",
        )],
    },
    Type {
        kind: "aws_s3_bucket",
        priced: "",
        free: "acl bucket bucket_domain_name bucket_namespace bucket_prefix bucket_region bucket_regional_domain_name cors_rule force_destroy grant hosted_zone_id lifecycle_rule logging object_lock_configuration object_lock_enabled policy request_payer server_side_encryption_configuration versioning website website_domain website_endpoint",
        unpriced: &[
            unless(
                "acceleration_status",
                &["Suspended"],
                "transfer acceleration has no price here",
            ),
            costs(
                "replication_configuration",
                "replication within the bucket's block has no price here: it is aws_s3_bucket_replication_configuration",
            ),
        ],
    },
    Type {
        kind: "aws_s3_bucket_replication_configuration",
        priced: "rule",
        free: "bucket role token",
        unpriced: &[],
    },
    Type {
        kind: "aws_scheduler_schedule",
        priced: "",
        free: "action_after_completion description end_date flexible_time_window group_name kms_key_arn name name_prefix schedule_expression schedule_expression_timezone start_date state target",
        unpriced: &[],
    },
    Type {
        kind: "aws_secretsmanager_secret",
        priced: "replica",
        free: "description force_overwrite_replica_secret kms_key_id name name_prefix policy recovery_window_in_days type",
        unpriced: &[],
    },
    Type {
        kind: "aws_sfn_state_machine",
        priced: "type",
        free: "creation_date definition description encryption_configuration logging_configuration name name_prefix publish revision_id role_arn state_machine_version_arn status version_description",
        unpriced: &[costs("tracing_configuration.enabled", TRACES)],
    },
    Type {
        kind: "aws_sns_topic",
        priced: "fifo_topic",
        free: "application_failure_feedback_role_arn application_success_feedback_role_arn application_success_feedback_sample_rate beginning_archive_time content_based_deduplication delivery_policy display_name fifo_throughput_scope firehose_failure_feedback_role_arn firehose_success_feedback_role_arn firehose_success_feedback_sample_rate http_failure_feedback_role_arn http_success_feedback_role_arn http_success_feedback_sample_rate kms_master_key_id lambda_failure_feedback_role_arn lambda_success_feedback_role_arn lambda_success_feedback_sample_rate name name_prefix owner policy signature_version sqs_failure_feedback_role_arn sqs_success_feedback_role_arn sqs_success_feedback_sample_rate",
        unpriced: &[
            costs("archive_policy", "its archive has no price here"),
            unless("tracing_config", &["PassThrough"], TRACES),
        ],
    },
    Type {
        kind: "aws_sns_topic_subscription",
        priced: "protocol topic_arn",
        free: "confirmation_timeout_in_minutes confirmation_was_authenticated delivery_policy endpoint endpoint_auto_confirms filter_policy owner_id pending_confirmation raw_message_delivery redrive_policy subscription_role_arn",
        unpriced: &[
            unless(
                "filter_policy_scope",
                &["MessageAttributes"],
                "the bodies that its filter looks at have no price here",
            ),
            costs(
                "replay_policy",
                "messages that it replays have no price here",
            ),
        ],
    },
    Type {
        kind: "aws_sqs_queue",
        priced: "fifo_queue",
        free: "content_based_deduplication deduplication_scope delay_seconds fifo_throughput_limit kms_data_key_reuse_period_seconds kms_master_key_id max_message_size message_retention_seconds name name_prefix policy receive_wait_time_seconds redrive_allow_policy redrive_policy sqs_managed_sse_enabled url visibility_timeout_seconds",
        unpriced: &[],
    },
    Type {
        kind: "aws_vpc_endpoint",
        priced: "subnet_ids vpc_endpoint_type",
        free: "auto_accept cidr_blocks dns_options ip_address_type network_interface_ids owner_id policy prefix_list_id private_dns_enabled requester_managed resource_configuration_arn route_table_ids security_group_ids service_name service_network_arn state subnet_configuration vpc_id",
        unpriced: &[costs(
            "service_region",
            "traffic to a service of another region has no price here",
        )],
    },
    Type {
        kind: "aws_wafv2_web_acl",
        priced: "rule rule_json scope",
        free: "application_integration_url capacity captcha_config challenge_config custom_response_body data_protection_config default_action description lock_token name name_prefix token_domains visibility_config",
        unpriced: &[costs(
            "association_config",
            "bodies that it looks at beyond the first 16 KB have no price here",
        )],
    },
];
