"""Settings: one frozen tree, read once at the start from files, environment and command line.

from n1v1_common.settings.model import Settings           the tree (cheap to import)
from n1v1_common.settings.load import load                 files + environment + --set, with provenance
from n1v1_common.settings.service import load_service_settings    what a service's main calls
"""
