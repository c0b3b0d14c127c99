from pathlib import Path

BASE_DIR = Path(__file__).parent.parent
SECRET_KEY = 'of an example'
DEBUG = False
ALLOWED_HOSTS = ['127.0.0.1', 'localhost']
ROOT_URLCONF = 'shop.urls'
WSGI_APPLICATION = 'shop.wsgi.application'
STATIC_URL = 'static/'
TIME_ZONE = 'Europe/Zurich'
USE_TZ = True
INSTALLED_APPS = ['shop', 'cronsched.django']
MIDDLEWARE = [
    'django.middleware.security.SecurityMiddleware',
    'django.middleware.common.CommonMiddleware',
    'django.middleware.csrf.CsrfViewMiddleware',
]
DATABASES = {
    'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'shop.sqlite3'},
}
LOGGING = {
    'version': 1,
    'disable_existing_loggers': False,
    'formatters': {'plain': {'format': '%(asctime)s %(process)d %(name)s %(message)s'}},
    'handlers': {'console': {'class': 'logging.StreamHandler', 'formatter': 'plain'}},
    'root': {'handlers': ['console'], 'level': 'INFO'},
}
# Each second counts here: none is spread, and what a deploy missed is made up for.
CRONSCHED = {'MAX_OFFSET': 0, 'CATCH_UP': 60, 'COALESCE': False}
