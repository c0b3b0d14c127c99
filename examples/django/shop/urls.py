from django.http import HttpResponse
from django.urls import include, path


def welcome(request):
    return HttpResponse('Welcome to the shop.\n')


urlpatterns = [
    path('', welcome),
    path('', include('cronsched.django.urls')),
]
