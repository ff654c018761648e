"""What a group's labels look like, as pictures and one page. Data are collected apart from how they are shown."""
