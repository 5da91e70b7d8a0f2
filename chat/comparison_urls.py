"""`/compare/`."""

from django.urls import path

from chat.views import comparisons, leaderboards, new_comparisons

app_name = "compare"
urlpatterns = [
    path("", new_comparisons.index, name="index"),
    path("leaderboard/", leaderboards.leaderboard, name="leaderboard"),
    path("<uuid:comparison_id>/", comparisons.detail, name="detail"),
    path("<uuid:comparison_id>/messages/", comparisons.ask, name="ask"),
    path("<uuid:comparison_id>/stop/", comparisons.stop, name="stop"),
    path("<uuid:comparison_id>/again/", comparisons.again, name="again"),
    path("<uuid:comparison_id>/continue/", comparisons.go_on, name="continue"),
    path("<uuid:comparison_id>/votes/", comparisons.vote, name="vote"),
    path("<uuid:comparison_id>/reveal/", comparisons.reveal, name="reveal"),
    path("<uuid:comparison_id>/chats/", comparisons.chat_with, name="chat"),
    path("<uuid:comparison_id>/about/", comparisons.about, name="about"),
    path("<uuid:comparison_id>/delete/", comparisons.delete, name="delete"),
    path("<uuid:comparison_id>/difference/", comparisons.difference, name="difference"),
    path("<uuid:comparison_id>/export/", comparisons.export, name="export"),
]
