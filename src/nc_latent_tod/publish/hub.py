"""Datasets on the Hugging Face Hub, private unless asked otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nc_latent_tod.errors import ConfigError, RetryableError

if TYPE_CHECKING:
    from datasets import DatasetDict

_REFUSED = (401, 403)


def push(dataset: DatasetDict, card: str, repository: str, *, public: bool, token: str | None) -> str:
    """Upload `dataset` and its card as `repository` (`user/name`) and return its address.

    The card goes first, so that the upload of the data adds its own fields to the card's header. Without `token`, the one
    of `hf auth login` or HF_TOKEN is taken. Raises `ConfigError` where there is none, it may not write there, or the
    repository is there with the other visibility; `RetryableError` where the Hub fails.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    token = token or get_token()
    if not token:
        raise ConfigError(f"No Hugging Face token to upload {repository} with: run `hf auth login` or set HF_TOKEN to a token "
                          "that may write, or publish to a folder (--to FOLDER).")
    api = HfApi(token=token)
    try:
        address = api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        if bool(api.repo_info(repository, repo_type="dataset").private) == public:
            raise ConfigError(f"{address} is there already and is {'private' if public else 'public'}, not as asked. Change "
                              "its visibility on the Hub, or ask for the one it has.")
        api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repository, repo_type="dataset")
        dataset.push_to_hub(repository, private=not public, token=token)
    except OfflineModeIsEnabled as error:
        raise ConfigError(f"HF_HUB_OFFLINE forbids to upload {repository}: unset it.") from error
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in _REFUSED:
            raise ConfigError(f"The Hub refuses to write {repository} ({error}). Use a token that may write there.") from error
        raise RetryableError(f"Storing {repository} on the Hub failed: {error}.") from error
    except (OSError, HTTPError) as error:
        raise RetryableError(f"Storing {repository} on the Hub failed: {error}.") from error
    return str(address)
