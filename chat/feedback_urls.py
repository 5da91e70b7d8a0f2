"""`/feedback/`."""

from django.urls import path

from chat.views import collections, feedback, reviewing

app_name = "feedback"
urlpatterns = [
    path("", feedback.mine, name="mine"),
    path("consent/", feedback.consent, name="consent"),
    path("messages/<uuid:message_id>/", feedback.answer, name="answer"),
    path("inbox/", reviewing.inbox, name="inbox"),
    path("inbox/decide/", reviewing.decide, name="decide"),
    path("reviewers/", reviewing.reviewers, name="reviewers"),
    path("reviewers/<int:user_id>/remove/", reviewing.unname, name="reviewer-remove"),
    path("collections/", collections.index, name="collections"),
    path("collections/new/", collections.create, name="collection-create"),
    path("collections/<int:collection_id>/", collections.detail, name="collection"),
    path("collections/<int:collection_id>/collect/", collections.collect, name="collect"),
    path("collections/<int:collection_id>/delete/", collections.delete, name="collection-delete"),
    path("datasets/<int:dataset_id>/", collections.origins, name="origins"),
    path("datasets/<int:dataset_id>/card/", collections.card, name="card"),
    path("<int:feedback_id>/", reviewing.one, name="one"),
]
