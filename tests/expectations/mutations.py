"""What can go wrong with a mart, one statement each, and the checks that must see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """SQL that breaks one expectation; ``also`` are those that cannot but break with it."""

    breaks: str
    sql: str
    also: frozenset[str] = frozenset()


# A row more or less in one stream, everywhere but where the mutation is about.
_LANDED_AGAIN = """
    update loads set manifest_rows = served, parquet_rows = served, classified_rows = served, kept = conservation.kept,
        quarantined = conservation.quarantined
    from conservation
    where loads.source_system = conservation.source_system and loads.source_stream = conservation.source_stream
        and loads.load_seq = 1;
"""
FIRST = "where response_id = 'r0001'"
# The contact of a customer whose latest relational answer is a 5.
_WANTED = "where record_id = 'contact c1'"

MUTATIONS = [
    Mutation(
        "no_customer_is_too_large",
        "update identity_edges set refused = 'too_many_keys' where source_record_id = 'rec1'",
    ),
    Mutation(
        "parquet_holds_what_manifests_promise",
        "update loads set manifest_rows = manifest_rows + 1 where load_id = 'load-people'",
    ),
    Mutation(
        "every_landed_row_is_classified",
        "update loads set classified_rows = classified_rows - 1, current = current - 1 where load_id = 'load-people'",
    ),
    Mutation("classes_of_a_load_are_its_rows", "update loads set kept = kept + 1 where load_id = 'load-people'"),
    Mutation(
        "no_cursor_from_the_future",
        "update loads set cursor_at = finished_at + interval 61 minute where load_id = 'load-people'",
    ),
    Mutation("full_pull_lists_most_records", "update loads set live_before = 4 where load_id = 'load-people'"),
    Mutation(
        "full_pull_lists_most_records",
        "update loads set live_records = 2 where load_id = 'load-people';"
        "update loads set live_records = 2, live_before = 2 where load_id = 'load-nothing-new'",
    ),
    Mutation(
        "live_records_are_those_that_the_source_counts",
        "update conservation set source_count = source_count + 1 where source_count is not null",
    ),
    Mutation("live_records_are_those_that_the_source_counts", "update conservation set counted_live = null"),
    Mutation(
        "load_counts_are_counts",
        "update loads set manifest_rows = -1, parquet_rows = -1, classified_rows = -1, current = -3 "
        "where load_id = 'load-people'",
        frozenset({"served_rows_are_the_landed_rows"}),
    ),
    Mutation(
        "load_counts_are_counts",
        "update loads set manifest_rows = null, parquet_rows = null, classified_rows = null, current = null "
        "where load_id = 'load-nothing-new'",
    ),
    Mutation("load_counts_are_counts", "update loads set reread_rows = null where load_id = 'load-people'"),
    Mutation("load_counts_are_counts", "update loads set live_before = -1 where load_id = 'load-people'"),
    Mutation(
        "conservation_balances", "update conservation set superseded = superseded + 1 where source_stream = 'retail'"
    ),
    Mutation("conservation_balances", "update conservation set current = current - 1 where source_stream = 'contacts'"),
    Mutation(
        "classes_fit_the_role",
        "update conservation set kept = kept - 1, current = 1 where source_stream = 'retail'",
        frozenset({"kept_rows_are_the_responses"}),
    ),
    Mutation(
        "classes_fit_the_role",
        "update conservation set current = current - 1, excluded = 1 where source_stream = 'contacts'",
        frozenset({"excluded_rows_are_listed"}),
    ),
    Mutation("classes_fit_the_role", "update conservation set role = null where source_stream = 'contacts'"),
    Mutation("classes_fit_the_role", "update conservation set role = 'people' where source_stream = 'contacts'"),
    Mutation("conservation_counts_are_counts", "update conservation set source_count = -1, counted_live = -1"),
    Mutation(
        "conservation_counts_are_counts",
        "update conservation set deleted = null where source_stream = 'retail'",
        frozenset({"conservation_balances"}),
    ),
    Mutation("served_rows_are_the_landed_rows", "delete from loads where source_stream = 'support'"),
    Mutation("served_rows_are_the_landed_rows", "delete from loads where source_stream = 'contacts'"),
    Mutation("served_rows_are_the_landed_rows", "delete from conservation where source_stream = 'contacts'"),
    Mutation(
        "kept_rows_are_the_responses",
        f"delete from fct_nps_responses {FIRST}",
        frozenset({"account_has_no_more_than_its_responses"}),
    ),
    Mutation(
        "kept_rows_are_the_responses", f"update fct_nps_responses set source_stream = 'a stream of no load' {FIRST}"
    ),
    Mutation("quarantined_rows_are_listed", "delete from quarantined_responses where source_record_id = 'bad0'"),
    Mutation(
        "quarantined_rows_are_listed",
        "update quarantined_responses set reason = null where source_record_id = 'bad0'",
    ),
    Mutation("excluded_rows_are_listed", "delete from excluded_responses where source_record_id = 'partial0'"),
    Mutation("duplicate_rows_are_listed", "delete from duplicate_responses where source_record_id = 'dup0'"),
    Mutation("current_invitations_are_listed", "delete from fct_invitations where response_id is null"),
    Mutation(
        "current_invitations_are_listed",
        "update fct_invitations set source_stream = 'a stream of no load' where response_id is null",
    ),
    Mutation(
        "quarantine_share_is_small",
        "update conservation set quarantined = 1, served = 1 where source_stream = 'empty';"
        "insert into quarantined_responses values ('files', 'empty', 'x', 'load-9', 'score_blank', null);"
        + _LANDED_AGAIN,
    ),
    Mutation("score_is_there", f"update fct_nps_responses set score = null {FIRST}"),
    Mutation(
        "score_is_whole_and_in_range",
        f"update fct_nps_responses set score = 11, nps_category = 'promoter' {FIRST}",
    ),
    Mutation(
        "score_is_whole_and_in_range",
        f"update fct_nps_responses set score = -1, nps_category = 'detractor' {FIRST}",
    ),
    Mutation(
        "score_is_whole_and_in_range",
        "alter table fct_nps_responses alter score type double;"
        f"update fct_nps_responses set score = 9.5, nps_category = 'promoter' {FIRST}",
    ),
    Mutation("category_agrees_with_score", f"update fct_nps_responses set nps_category = 'passive', score = 6 {FIRST}"),
    Mutation("category_agrees_with_score", "update fct_nps_responses set nps_category = 'promoter' where score = 8"),
    Mutation("category_agrees_with_score", f"update fct_nps_responses set nps_category = null {FIRST}"),
    Mutation("response_has_a_source", f"update fct_nps_responses set source_record_id = ' ' {FIRST}"),
    Mutation("response_has_a_survey", f"update fct_nps_responses set survey_id = null {FIRST}"),
    Mutation(
        "response_has_a_survey_type",
        f"update fct_nps_responses set survey_type = null {FIRST}",
        frozenset({"account_has_no_more_than_its_responses"}),
    ),
    Mutation(
        "response_has_a_survey_type",
        f"update fct_nps_responses set survey_type = 'all' {FIRST}",
        frozenset({"account_has_no_more_than_its_responses"}),
    ),
    Mutation(
        "no_response_from_the_future",
        "update fct_nps_responses set responded_at = "
        f"(select max(published_at) from publication) + interval 25 hour {FIRST}",
    ),
    Mutation(
        "no_response_before_its_invitation",
        f"update fct_nps_responses set invited_at = responded_at + interval 1 second {FIRST}",
    ),
    Mutation(
        "response_is_not_quarantined_too",
        "update quarantined_responses set source_record_id = 'rec0' where source_record_id = 'bad0'",
    ),
    Mutation(
        "response_is_not_excluded_too",
        "update excluded_responses set source_record_id = 'rec2' where source_record_id = 'partial0'",
    ),
    Mutation(
        "response_is_not_a_duplicate_too",
        "update duplicate_responses set source_record_id = 'rec1' where source_record_id = 'dup0'",
    ),
    Mutation(
        "responses_are_there",
        "delete from fct_nps_responses; update conservation set served = served - kept, kept = 0;" + _LANDED_AGAIN,
        # Nothing is kept of a stream that has quarantined rows, and what was made of the answers is still there.
        frozenset(
            {"quarantine_share_is_small", "account_has_no_more_than_its_responses", "wanted_value_has_a_response"}
        ),
    ),
    Mutation("channel_is_mostly_known", "update fct_nps_responses set channel = 'unknown'"),
    Mutation("answered_invitation_was_delivered", "update fct_invitations set delivered = false where responded"),
    Mutation(
        "answered_invitation_was_delivered", "update fct_invitations set responded = true where delivered is null"
    ),
    Mutation("kept_answer_means_answered", "update fct_invitations set responded = false where response_id = 'r0000'"),
    Mutation("kept_answer_means_answered", "update fct_invitations set responded = null where response_id = 'r0000'"),
    Mutation(
        "customer_category_agrees_with_score", "update customer_nps set nps_category = 'detractor' where score = 7"
    ),
    Mutation("customer_has_responses", "update customer_nps set responses = 0 where customer_id = 'c1'"),
    Mutation(
        "promoters_passives_detractors_are_all",
        "update nps_by_period set passives = passives + 1 where survey_type = 'relational' and grain = 'all_time'",
    ),
    Mutation(
        "period_counts_are_counts",
        "update nps_by_period set invited = -1, invited_responded = -1 "
        "where grain = 'month' and period_start = '2026-09-01'",
        frozenset({"invitation_roll_ups_are_their_parts"}),
    ),
    Mutation(
        "period_counts_are_counts",
        "update nps_by_period set promoters = promoters + detractors + 1, detractors = -1 "
        "where survey_type = 'relational'",
    ),
    Mutation(
        "survey_types_are_not_pooled",
        "insert into nps_by_period select * replace ('all' as survey_type) from nps_by_period "
        "where survey_type = 'relational' and grain = 'all_time'",
    ),
    Mutation("nps_is_in_range", "update nps_by_period set nps = 100.0001 where nps is not null"),
    Mutation("interval_is_in_order", "update nps_by_period set nps_low = nps_high + 0.0001 where nps is not null"),
    Mutation("interval_is_in_order", "update nps_by_period set nps_high = 100.0001 where nps is not null"),
    Mutation("interval_is_in_order", "update nps_by_period set nps_low = null where nps is not null"),
    Mutation("missing_nps_has_a_reason", "update nps_by_period set score_reason = null"),
    Mutation("missing_nps_has_a_reason", "update nps_by_period set score_reason = 'below_minimum'"),
    Mutation(
        "transactional_roll_ups_are_their_parts",
        "update nps_by_period set promoters = promoters + 1, detractors = detractors - 1 "
        "where survey_type = 'transactional' and grain = 'all_time' and channel = 'all' and touchpoint = 'all'",
    ),
    Mutation(
        "transactional_roll_ups_are_their_parts",
        "delete from nps_by_period "
        "where survey_type = 'transactional' and grain = 'month' and channel = 'all' and touchpoint <> 'all'",
    ),
    Mutation(
        "transactional_roll_ups_are_their_parts",
        "delete from nps_by_period where survey_type = 'transactional' and channel = 'email' and touchpoint <> 'all'",
    ),
    Mutation(
        "answered_invitations_were_sent",
        "update nps_by_period set invited_responded = null where grain = 'all_time' and survey_type = 'relational'",
    ),
    Mutation(
        "answered_invitations_were_sent",
        "update nps_by_period set invited_responded = 2 * invited where invited is not null",
    ),
    Mutation("response_rate_is_a_share", "update nps_by_period set response_rate = 100 * response_rate"),
    Mutation("response_rate_is_a_share", "update nps_by_period set response_rate = 0 where invited is null"),
    Mutation("response_rate_is_a_share", "update nps_by_period set response_rate = null"),
    Mutation(
        "invitation_roll_ups_are_their_parts",
        "update nps_by_period set invited = invited + 1 "
        "where grain = 'all_time' and survey_type = 'relational' and channel = 'all' and touchpoint = 'all'",
    ),
    Mutation(
        "invitation_roll_ups_are_their_parts",
        "update nps_by_period set invited_responded = 0 "
        "where grain = 'all_time' and survey_type = 'relational' and channel = 'all' and touchpoint <> 'all'",
    ),
    Mutation("account_counts_are_all", "update account_nps set passives = passives + 1 where account_id = 'a1'"),
    Mutation(
        "account_counts_are_all",
        "update account_nps set promoters = promoters + detractors + 1, detractors = -1, has_detractor = false "
        "where account_id = 'a1'",
    ),
    Mutation(
        "account_counts_are_all",
        "update account_nps set responses = 0, promoters = 0, passives = 0, detractors = 0, has_detractor = false "
        "where account_id = 'a1'",
    ),
    Mutation(
        "account_has_no_more_than_its_responses",
        "update account_nps set passives = passives + 99, responses = responses + 99 where account_id = 'a1'",
    ),
    Mutation(
        "account_survey_types_are_not_pooled",
        "update account_nps set survey_type = 'all' where account_id = 'a1' and survey_type = 'relational'",
        # No answer is of such a type.
        frozenset({"account_has_no_more_than_its_responses"}),
    ),
    Mutation("account_nps_is_in_range", "update account_nps set nps = -100.0001 where nps is not null"),
    Mutation("account_nps_is_in_range", "update account_nps set nps_low = nps_high + 0.0001 where nps is not null"),
    Mutation("account_nps_is_in_range", "update account_nps set nps_high = null where nps is not null"),
    Mutation("missing_account_nps_has_a_reason", "update account_nps set score_reason = 'below_minimum'"),
    Mutation(
        "missing_account_nps_has_a_reason",
        "update account_nps set nps = null, nps_low = null, nps_high = null where account_id = 'a1'",
    ),
    Mutation("account_with_a_detractor_says_so", "update account_nps set has_detractor = not has_detractor"),
    Mutation("account_with_a_detractor_says_so", "update account_nps set has_detractor = null"),
    Mutation("publication_is_one", "delete from publication"),
    Mutation("publication_is_one", "insert into publication select * from publication"),
    Mutation("publication_is_one", "update publication set published_at = null"),
    Mutation("wanted_value_is_one", f"insert into sync_wanted select * from sync_wanted {_WANTED} and value = 'score'"),
    Mutation(
        "wanted_value_is_one",
        "insert into sync_wanted select * replace ('nps_score' as field) "
        f"from sync_wanted {_WANTED} and value = 'category'",
    ),
    Mutation(
        "wanted_value_has_a_response", f"update sync_wanted set customer_id = 'c9' {_WANTED} and value = 'category'"
    ),
    Mutation(
        "wanted_value_has_a_response",
        f"update sync_wanted set survey_type = 'transactional' {_WANTED} and value = 'score'",
    ),
    Mutation(
        "wanted_value_has_a_response",
        f"update sync_wanted set as_of = timestamp '2026-11-22 10:00:00' {_WANTED} and value = 'score'",
    ),
    Mutation(
        "wanted_value_has_a_response",
        "update sync_wanted set response_id = 'gone' where field = 'nps_at'",
    ),
    Mutation("wanted_record_is_observed", "delete from sync_observed where field = 'nps_on' and record_id = 'user c1'"),
    Mutation(
        "wanted_record_is_observed", "delete from sync_observed where record_id = 'contact c1' and field = 'nps_at'"
    ),
    Mutation("wanted_value_is_of_a_known_sort", "update sync_wanted set value = 'comment' where field = 'nps_on'"),
    Mutation("wanted_value_is_of_a_known_sort", "update sync_wanted set value = null where field = 'nps_on'"),
    Mutation(
        "wanted_score_is_the_score_of_its_response",
        f"update sync_wanted set wanted = '11' {_WANTED} and value = 'score'",
    ),
    Mutation(
        "wanted_score_is_the_score_of_its_response",
        f"update sync_wanted set wanted = '5.0' {_WANTED} and value = 'score'",
    ),
    Mutation(
        "wanted_score_is_the_score_of_its_response",
        f"update sync_wanted set wanted = '6' {_WANTED} and value = 'score'",
    ),
    Mutation(
        "wanted_category_has_one_spelling",
        f"update sync_wanted set wanted = 'Detractor' {_WANTED} and value = 'category'",
    ),
    Mutation("wanted_category_has_one_spelling", "update sync_wanted set wanted = 'PROMOTER' where value = 'category'"),
    Mutation("wanted_date_is_not_in_the_future", "update sync_wanted set wanted = '2026-11-25' where field = 'nps_on'"),
    Mutation(
        "wanted_date_is_not_in_the_future",
        "update sync_wanted set wanted = '2026-11-25T00:00:00Z' where field = 'nps_at'",
    ),
    Mutation("wanted_date_is_not_in_the_future", "update sync_wanted set wanted = 'soon' where field = 'nps_on'"),
    Mutation(
        "observed_value_is_one", "insert into sync_observed select * from sync_observed where record_id = 'contact c1'"
    ),
]
