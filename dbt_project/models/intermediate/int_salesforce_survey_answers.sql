-- Salesforce Surveys: what an answered question means stands in its question, answer, survey and invitation.
with answered_questions as (
    select
        records.source_system,
        records.source_stream,
        records.source_record_id,
        records.is_deleted,
        responses.question_id,
        responses.answer_id,
        responses.invitation_id,
        responses.comment as answer_text
    from {{ ref('int_records') }} as records
    inner join {{ ref('stg_responses') }} as responses
        on
            responses.load_id = records.content_load_id
            and responses.row_no = records.content_row_no
    where records.source_system = 'salesforce' and records.source_stream = 'SurveyQuestionResponse'
),

salesforce_references as (
    select * from {{ ref('int_references') }}
    where source_system = 'salesforce'
),

questions as (
    select
        source_record_id as question_id,
        kind
    from salesforce_references
    where source_stream = 'SurveyQuestion'
),

answers as (
    select
        source_record_id as answer_id,
        is_deleted,
        status,
        completed_at,
        completed_at_unreadable,
        language,
        person_record_id,
        invitation_record_id,
        survey_record_id
    from salesforce_references
    where source_stream = 'SurveyResponse'
),

surveys as (
    select
        source_record_id as survey_id,
        name
    from salesforce_references
    where source_stream = 'Survey'
),

invitations as (
    select
        records.source_record_id as invitation_id,
        invitation_rows.invited_at,
        invitation_rows.person_record_id,
        invitation_rows.survey_record_id
    from {{ ref('int_records') }} as records
    inner join {{ ref('stg_invitations') }} as invitation_rows
        on
            invitation_rows.load_id = records.content_load_id
            and invitation_rows.row_no = records.content_row_no
    where records.source_system = 'salesforce'
),

-- What an answer or an invitation is about.
account_subjects as (
    select
        parent_record_id,
        min(subject_record_id) as account_record_id
    from salesforce_references
    where source_stream = 'SurveySubject' and kind = 'Account' and not is_deleted
    group by parent_record_id
),

-- The comment is the answer to the free-text questions beside the score.
comments as (
    select
        answered_questions.answer_id,
        {{ joined_lines('answered_questions.answer_text', 'answered_questions.source_record_id') }}
            as comment -- noqa: RF04
    from answered_questions
    inner join questions on questions.question_id = answered_questions.question_id
    where
        questions.kind = 'FreeText'
        and trim(answered_questions.answer_text) <> ''
        and not answered_questions.is_deleted
    group by answered_questions.answer_id
),

joined as (
    select
        answered_questions.source_system,
        answered_questions.source_stream,
        answered_questions.source_record_id,
        -- Salesforce deletes the answered questions with their survey response, but need not serve them again.
        answered_questions.is_deleted or coalesce(answers.is_deleted, false) as is_deleted,
        questions.kind as question_kind,
        answers.status,
        comments.comment,
        answers.language,
        answers.completed_at as responded_at,
        coalesce(answers.completed_at_unreadable, false) as responded_at_unreadable,
        invitations.invited_at,
        surveys.name as survey_name,
        -- A submitter may be a user of the organisation; 003 is the key prefix of contacts.
        case
            when answers.person_record_id like '003%' then answers.person_record_id
            when invitations.person_record_id like '003%' then invitations.person_record_id
        end as person_record_id,
        coalesce(answer_subjects.account_record_id, invitation_subjects.account_record_id) as account_record_id,
        invitations.invitation_id
    from answered_questions
    left join questions on questions.question_id = answered_questions.question_id
    left join answers on answers.answer_id = answered_questions.answer_id
    left join invitations
        on invitations.invitation_id = coalesce(answered_questions.invitation_id, answers.invitation_record_id)
    left join surveys on surveys.survey_id = coalesce(answers.survey_record_id, invitations.survey_record_id)
    left join comments on comments.answer_id = answered_questions.answer_id
    left join account_subjects as answer_subjects on answer_subjects.parent_record_id = answered_questions.answer_id
    left join account_subjects as invitation_subjects
        on invitation_subjects.parent_record_id = invitations.invitation_id
)

select
    source_system,
    source_stream,
    source_record_id,
    is_deleted,
    case
        when question_kind in ('Rating', 'Score', 'Slider', 'CSAT') then 'other_metric'
        when question_kind <> 'NPS' then 'not_nps'
        when status <> 'Completed' then 'partial'
    end as excluded_reason,
    case when question_kind is null then 'question_unknown' end as quarantined_reason,
    comment,
    language,
    responded_at,
    responded_at_unreadable,
    invited_at,
    survey_name,
    case when person_record_id is not null then 'Contact' end as person_stream,
    person_record_id,
    case when account_record_id is not null then 'Account' end as account_stream,
    account_record_id,
    invitation_id
from joined
