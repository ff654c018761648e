"""`python -m nc_latent_tod` is `nc-latent-tod`."""

from nc_latent_tod.cli import main

if __name__ == "__main__":
    main()
